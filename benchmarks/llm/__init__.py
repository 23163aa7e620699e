"""The LLM service against other servers, on the load that this product has."""
