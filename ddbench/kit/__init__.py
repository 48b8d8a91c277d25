"""Torch tools for plugin authors. Import the room you need: ``from ddbench.kit import views``."""
