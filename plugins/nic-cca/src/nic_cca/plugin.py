"""What nic-cca brings; imports nothing heavy."""

api_version = 1
