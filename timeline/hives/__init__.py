"""What single hives say: each module reads the keys of one kind of hive and yields events."""
