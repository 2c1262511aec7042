"""The local door: SageMaker's API on this machine, with the same names, dicts and errors as boto3's."""
