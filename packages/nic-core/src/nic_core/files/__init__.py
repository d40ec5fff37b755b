"""Reading and writing files safely: whole or not at all (`atomic`), and JSON from anyone (`json_files`)."""
