"""What contacts and staff think of the bot's answers."""
