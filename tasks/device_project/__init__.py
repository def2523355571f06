"""Write a project of the device. Not confirmed on hardware."""
