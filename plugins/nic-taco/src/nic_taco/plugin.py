"""What nic-taco brings; imports nothing heavy."""

api_version = 1
