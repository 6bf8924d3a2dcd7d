"""The ground floor: the nouns that pass from room to room.

Pure definitions: the standard library, pyarrow and msgspec. No Beam, no network, no clock.
"""
