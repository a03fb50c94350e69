"""The page of ``stalefl report``, in one file of HTML."""
