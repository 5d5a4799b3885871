from corrections.sets import judge, trained

__all__ = ["judge", "trained"]
