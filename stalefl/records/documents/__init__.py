"""The types of all documents that lie on disk, whose fields say what they hold."""
