"""Tags of audio files: the texts that programs and people left beside the sound."""
