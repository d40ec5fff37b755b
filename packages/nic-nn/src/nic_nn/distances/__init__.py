"""How far a decoded picture is from its original: to a pixel, in its textures, or to a network."""
