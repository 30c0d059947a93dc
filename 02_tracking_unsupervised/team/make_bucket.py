"""Crée le seau S3 donné en argument s'il n'y est pas ; laisse au magasin le temps de démarrer."""

import os
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

(bucket,) = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
for _ in range(60):
    try:
        if bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=bucket)
        sys.exit()
    except (BotoCoreError, ClientError) as error:
        reason = error
        time.sleep(1)
sys.exit(f"Le magasin S3 ne répond pas : {reason}")
