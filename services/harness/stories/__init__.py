"""The article's stories: their files as data, and one player that acts them out through the officers' API."""
