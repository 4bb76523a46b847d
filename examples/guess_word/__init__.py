"""An environment of words: guess one of five letters in six tries."""
