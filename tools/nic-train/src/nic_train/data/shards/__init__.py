"""Shards, for sets that outgrow a disk: tar files in webdataset's form, and TFRecords of deeplab2.

What holds: each rank draws from up to eight streams in turn, step by step. A stream is endless and a function of the
seed, the shards and the number of ranks alone: in an epoch all streams share the shards, in an order of that epoch, and
each shuffles its samples in blocks of `block`. So a run that resumes with as many ranks gets exactly the batches it
would have had, whatever the number of workers. Another number of ranks gives another order: unlike with folders, two
processes do not draw together what one draws alone.

Resuming skips whole epochs and shards by their counts of samples, and the rest by the headers. Local shards are counted
when the run starts, from their headers. Others are counted when they are to be skipped, and for that read through.
"""
