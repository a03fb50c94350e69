"""What comes with the package: attacks, data sets, methods and models, registered as any plugin's are."""
