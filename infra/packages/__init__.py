"""What is uploaded to AWS Lambda: two zip files, one for all functions of the pipeline, one for the console.

`python -m infra.packages` builds them from a commit and holds each to its limits.
"""
