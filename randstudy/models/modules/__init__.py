"""Networks of somebody's own, written as a ``torch.nn.Module``: found out about, and trained."""
