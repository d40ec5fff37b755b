"""Transformer-based transform coding (Zhu, Yang and Cohen, ICLR 2022): four models in three sizes. `tcm` is a fifth."""
