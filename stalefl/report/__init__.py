"""Pictures, tables and conclusions, which say what stored runs found, and the page that shows all of them."""
