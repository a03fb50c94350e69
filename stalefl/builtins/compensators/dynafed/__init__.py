"""DynaFed: the method, its trajectory matching, and its augmentation of images."""
