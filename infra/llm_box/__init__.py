"""What runs on an LLM box beside llm_api: its installation, and the keeper."""
