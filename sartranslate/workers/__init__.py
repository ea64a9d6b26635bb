"""Where windows of scenes are generated: here, by processes of this machine, or by a Dask cluster."""
