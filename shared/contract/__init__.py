"""What two bureaus say to each other: messages, questions, topics, versions. README.md is the protocol in words."""
