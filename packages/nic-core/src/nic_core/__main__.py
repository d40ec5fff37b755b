"""`python -m nic_core` is the `nic` command."""

from nic_core.cli import main

if __name__ == "__main__":
    main()
