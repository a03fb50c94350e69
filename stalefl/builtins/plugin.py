"""The built-in data sets, models, methods and attacks, registered through the public hooks like any other plugin's."""

from __future__ import annotations

from stalefl.contracts import Entry
from stalefl.hookspecs import hookimpl


@hookimpl
def stalefl_datasets() -> list[Entry]:
    home = "stalefl.builtins.datasets"
    return [
        Entry("digits", f"{home}.digits:Digits"),
        Entry("mnist", f"{home}.vision:Mnist"),
        Entry("fmnist", f"{home}.vision:FashionMnist"),
        Entry("cifar10", f"{home}.vision:Cifar10"),
        Entry("svhn", f"{home}.vision:Svhn"),
        Entry("digits-blended", f"{home}.blended:DigitsBlended"),
        Entry("mnist-blended", f"{home}.blended:MnistBlended"),
        Entry("hf", f"{home}.huggingface:HuggingFace"),
        Entry("imagefolder", f"{home}.imagefolder:ImageFolder"),
    ]


@hookimpl
def stalefl_models() -> list[Entry]:
    home = "stalefl.builtins.models"
    return [
        Entry("lenet", f"{home}.lenet:LeNet"),
        Entry("cnn-digits", f"{home}.cnn:CnnDigits"),
        Entry("cnn-cifar", f"{home}.cnn:CnnCifar"),
        Entry("mlp", f"{home}.mlp:Mlp"),
        Entry("resnet18", f"{home}.resnet:ResNet18"),
        Entry("lenet-dlg", f"{home}.lenet_dlg:LeNetDlg"),
    ]


@hookimpl
def stalefl_compensators() -> list[Entry]:
    home = "stalefl.builtins.compensators"
    return [
        Entry("unstale", f"{home}.unstale:Unstale"),
        Entry("unweighted", f"{home}.unweighted:Unweighted"),
        Entry("weighted", f"{home}.weighted:Weighted"),
        Entry("first-order", f"{home}.first_order:FirstOrder"),
        Entry("w-pred", f"{home}.w_pred:WPred"),
        Entry("asyn-tiers", f"{home}.asyn_tiers:AsynTiers"),
        Entry("fedasync", f"{home}.fedasync:FedAsync"),
        Entry("fedbuff", f"{home}.fedbuff:FedBuff"),
        Entry("ca2fl", f"{home}.ca2fl:Ca2fl"),
        Entry("fadas", f"{home}.fadas:Fadas"),
        Entry("asyncfeded", f"{home}.asyncfeded:AsyncFedEd"),
        Entry("mifa", f"{home}.mifa:Mifa"),
        Entry("fedvarp", f"{home}.fedvarp:FedVarp"),
        Entry("fedstale", f"{home}.fedstale:FedStale"),
        Entry("ace", f"{home}.ace:Ace"),
        Entry("dynafed", f"{home}.dynafed.method:DynaFed"),
        Entry("inversion", f"{home}.inversion:Inversion"),
        Entry("anchored-inversion", f"{home}.anchored_inversion:AnchoredInversion"),
    ]


@hookimpl
def stalefl_attacks() -> list[Entry]:
    home = "stalefl.builtins.attacks"
    return [
        Entry("dlg", f"{home}.dlg:Dlg"),
        Entry("idlg", f"{home}.idlg:Idlg"),
        Entry("inverting-gradients", f"{home}.inverting_gradients:InvertingGradients"),
        Entry("fedavg-unrolled", f"{home}.fedavg_unrolled:FedavgUnrolled"),
        Entry("linear-layer", f"{home}.linear_layer:LinearLayer"),
        Entry("label-counts", f"{home}.label_counts:LabelCounts"),
        Entry("llg", f"{home}.llg:Llg"),
    ]
