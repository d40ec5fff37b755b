"""What ties `nic` to the machine that it is installed on: its parts and their state, shells, desktops."""
