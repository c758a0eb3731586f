"""Makes model.onnx beside a model's weights, for peer.py.

    pip install torch transformers onnx
    python export.py FOLDER_OF_THE_MODEL
"""

import sys

import torch
from transformers import AutoModel


class States(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        output = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return output.last_hidden_state


folder = sys.argv[1]
tokens = torch.ones(1, 12, dtype=torch.long)
names = ["input_ids", "attention_mask", "token_type_ids"]
torch.onnx.export(
    States(AutoModel.from_pretrained(folder, attn_implementation="eager").eval()),
    (tokens, tokens, torch.zeros_like(tokens)),
    f"{folder}/model.onnx",
    input_names=names,
    output_names=["states"],
    dynamic_axes={name: {0: "text", 1: "token"} for name in names},
    dynamo=False,
)
