"""The machine: its devices, its capacity, and tasks side by side in processes of their own."""
