"""What a model does with data: networks as functions of a flat vector, local training, optimisers, evaluation."""
