"""What a frame says: pandas in, pandas out. Imports neither torch, ray nor mlflow."""
