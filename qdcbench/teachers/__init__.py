"""Teachers over HTTP, and what stands between a method and any teacher: prompts, meter, roles."""
