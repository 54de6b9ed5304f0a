"""Folder of RefineVIS: the graphs against PyTorch, and what the manifest says."""
import unittest

import context  # noqa: F401
import onnx
import torch
from test_export import dimensions
from test_export_clips import Folder

EMBEDS = ["batch", 5, 32]
SOME = ["frames", "tracklets", 32]


class RefineVisFolder(Folder):
    mode = "refinevis"

    def test_the_manifest_has_the_methods_entries(self):
        self.assertEqual("refinevis", self.manifest["method"])
        self.assertEqual({"segmenter", "associate", "refine"}, set(self.manifest["files"]))
        self.assertEqual((10, 1024), (self.manifest["window"], self.manifest["frame_period"]))
        self.assertEqual({"select", "nms_pre", "add_new", "init", "match", "nms_post",
                          "forget_after", "memory", "memory_length"},
                         set(self.manifest["association"]))
        self.assert_reference_is_there()

    def test_graphs_have_the_contracts_names_and_dimensions(self):
        contract = {
            "associate": ({"frame_embeds": EMBEDS},
                          {"contrastive_embeds": EMBEDS, "logits": ["batch", 5, 4],
                           "mask_embeds": EMBEDS}),
            "refine": ({"query": SOME, "query_frames": ["frames"],
                        "window": ["window", "tracklets", 32], "window_frames": ["window"]},
                       {"refined": SOME, "logits": ["frames", "tracklets", 4],
                        "mask_embeds": SOME})}
        for name, (inputs, outputs) in contract.items():
            graph = onnx.load(str(self.path / f"{name}.onnx")).graph
            self.assertEqual(inputs, dimensions(graph.input), name)
            self.assertEqual(outputs, dimensions(graph.output), name)

    @torch.no_grad()
    def test_associate_gives_the_answers_of_head_and_segmenter(self):
        embeds, heads = torch.randn(4, 5, 32), self.model.sem_seg_head.predictor
        self.assert_near(self.run_graph("associate", embeds),
                         [self.model.refinevis.reid_embed_head(embeds), heads.class_embed(embeds),
                          heads.mask_embed(embeds)])

    @torch.no_grad()
    def test_refine_gives_pytorchs_answers_for_any_window_and_any_number_of_tracklets(self):
        heads = self.model.sem_seg_head.predictor
        for frames, window, tracklets in ((1, 1, 1), (1, 10, 7), (20, 20, 2)):
            inputs = (torch.randn(frames, tracklets, 32), torch.arange(900.0, 900 + frames),
                      torch.randn(window, tracklets, 32), torch.arange(890.0, 890 + window))
            refined = self.model.refinevis.refinement(*inputs)
            self.assert_near(self.run_graph("refine", *inputs),
                             [refined, heads.class_embed(refined), heads.mask_embed(refined)])


if __name__ == "__main__":
    unittest.main()
