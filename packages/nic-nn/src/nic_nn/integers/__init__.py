"""Turning the nets that decide symbols into integer nets, once, when weights are exported."""
