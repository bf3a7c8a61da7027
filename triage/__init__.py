"""Finds My Number (個人番号) artefacts anywhere on an image, and whatever YARA rules describe."""
