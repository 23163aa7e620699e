"""What `python -m llm_api.tune` measures, chooses and keeps for each model file and machine."""
