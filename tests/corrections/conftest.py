from corrections.sets import _folders, folders, judge, trained

__all__ = ["_folders", "folders", "judge", "trained"]
