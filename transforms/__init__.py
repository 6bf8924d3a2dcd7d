"""The first floor: verbs, one room per stage."""
