"""Stands in for TensorRT-LLM, which needs a GPU: what TorchServe's trt_llm_handler uses of it, without a model."""
