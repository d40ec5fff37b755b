"""What a host application works with: a codec with its weights (`codec`), targets, and options by picture."""
