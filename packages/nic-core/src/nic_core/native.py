"""Whether nic-native, the inner loops in C, is there to be used. Needs no numpy."""


def why_not() -> str:
    """Return why the compiled kernels are not in use, "" where they are."""
    try:
        import nic_native
    except ImportError:
        return "nic-native is not installed"
    return nic_native.why_not()


def line() -> str:
    """Return a line for people: which implementation of the entropy coder is in use, and why."""
    reason = why_not()
    return f"in Python, a few hundred times slower than compiled: {reason}" if reason else "compiled, by nic-native"
