"""Readers of raw records, one file a platform. Pure: the same bytes give the same fact, or the same refusal."""
