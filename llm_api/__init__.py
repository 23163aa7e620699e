"""The LLM service of channels-hub: a queue consumer and an OpenAI-compatible API over one engine.

It imports neither `console` nor `hub_lambdas`: its contract is JSON on two queues and HTTP.
"""
