"""Language models in this process as teachers: any of Hugging Face, and the probes that we trained."""
