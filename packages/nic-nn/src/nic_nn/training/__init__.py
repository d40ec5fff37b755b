"""What training needs beside a model: recipes, batches, losses, optimizers."""
