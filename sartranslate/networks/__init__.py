"""The networks of Pix2Pix, what they are trained with, and the file that holds one."""
