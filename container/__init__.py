"""All that is baked into the two images.

Nothing here imports from ``launcher``. Of this package the launcher may import
``container.common`` alone.
"""
