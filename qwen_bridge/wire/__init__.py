"""Other people's JSON as pydantic models: what OpenAI's clients send and read, what Qwen answers.

One module for each format. The models say which fields exist, which may be missing and of what type they are; they
have no methods and make no decisions.

Rule: lenient in what is read (unknown fields are ignored or kept, never refused for being new), exact in what is
written. Nothing here is used per stream event: pydantic is for whole requests and answers.

It must not know: the neutral messages and events, nor any other room.
"""
