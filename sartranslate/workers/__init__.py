"""Windows of scenes generated elsewhere: by processes of this machine or a Dask cluster."""
