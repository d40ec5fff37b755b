"""Pictures in memory (`picture`), from and to files of any format (`image_files`), from any source (`sources`)."""
